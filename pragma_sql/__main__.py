"""`python -m pragma_sql` is `pragma`."""

from pragma_sql.cli import main

main()
