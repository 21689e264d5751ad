"""What all tables of the mirror belong to."""

from sqlalchemy import BigInteger, Integer, MetaData

metadata = MetaData()
# SQLite gives an autoincrementing key only to INTEGER; Postgres wants the wider one.
Id = BigInteger().with_variant(Integer, "sqlite")
