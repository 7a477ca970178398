"""The ledger: the database that remembers plans, answers and disclosures, without names, birth dates or addresses."""
