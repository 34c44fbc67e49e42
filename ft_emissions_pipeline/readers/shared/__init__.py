"""What formats of a kind share: samples, service jobs, usage days, labels, disclosed values."""
