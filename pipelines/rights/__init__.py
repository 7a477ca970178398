"""What a parent may ask about one pupil: what is known and given (AVG art. 15), why, and to have it done now. No Dagster here."""
