"""`python -m ft_emissions_pipeline`: the command line, where its script is not on the path."""

from ft_emissions_pipeline.cli import main

if __name__ == "__main__":
    main()
