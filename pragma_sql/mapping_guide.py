"""The comments on top of a new mapping.yml, and the example below them."""

GUIDE = """\
# Which tables hold what. `pragma init .` turns this file into models/staging/*.sql.
#
# Wherever a column is named, SQL over the columns of its table may stand instead.
#
# zone: Europe/Prague           of local times that name none [UTC]
# databases: {bank: bank.duckdb}           DuckDB files whose tables are read, as bank.main.cards
#
# Every table: files (parquet or csv; a path, a pattern or a list of them), or table (in a
# database), or sql (one SELECT); where: the rows to read; distinct: true takes rows that are equal
# in all columns as one. Paths start at this folder. Columns of csv files are text.
#
# events:
#     transactions:             the source, which is the first token of its events
#         files: data/*.parquet
#         user: account_id
#         time: booked_at       a moment: a column, or
#                               {column: t, unit: ms} (s, ms, us, ns since 1970),
#                               {column: day, format: '%y%m%d'} (as strptime reads it),
#                               {column: booked_at, zone: Europe/Prague}
#         id: trans_id          tells equal events apart, and finds those delivered twice [a number]
#         fields: [amount, {shop: upper(merchant)}]     [all other columns]
#         except: [balance]     all other columns but these
#         rename: {k_symbol: purpose}
#
# profiles:                     one table, one row a user and snapshot
#     files: clients.csv
#     user: client_id
#     as_of: since              since when the attributes hold: a moment; first_event, for what
#                               never changes; book_end, which no label sees [book_end].
#                               Without events, first_event is book_end
#     latest: updated_at        of rows of one user and moment, those with the greatest of this
#                               [all; if there are several, a build stops]
#     attributes: [region, sex] [all other columns]; except and rename, as above
#     lifelong:                 milestones: a moment of the row, or the first event where ...
#         joined: joined_on
#         first_refund: {first: transactions, where: amount < 0}
#
# labels:                       what happened strictly after a moment
#     default:                  the task
#         files: loans.parquet
#         user: account_id
#         moment: granted_on    events count strictly before it; may be one date for all
#         label: status in ('B', 'D')
#
# transfers:                    optional: from_user, to_user, time, amount

"""

EXAMPLE = """\
events:
    transactions:
        files: transactions.parquet
        user: user_id
        time: ts
"""
