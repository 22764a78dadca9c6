"""The models that can be asked: in memory, in a file, as recorded answers, behind a contract."""
