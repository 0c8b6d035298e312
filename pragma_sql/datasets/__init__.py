"""A user's own tables: mapping.yml, the checks of source files, and the dbt project."""
