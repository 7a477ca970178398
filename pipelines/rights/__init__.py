"""What a pupil has a right to (AVG art. 15 to 21), carried out with what the pipeline did and knows. No Dagster here."""
