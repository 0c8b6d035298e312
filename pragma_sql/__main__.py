"""`python -m pragma_sql` runs the command `pragma`."""

from pragma_sql.cli import main

main()
