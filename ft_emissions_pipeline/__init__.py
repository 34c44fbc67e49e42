"""From the logs of fine-tuning runs to daily carbon and water per inference."""
