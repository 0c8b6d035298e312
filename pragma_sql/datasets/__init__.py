"""A user's own tables: mapping.yml, what files tell of them, and the dbt project made from it."""
