"""`python -m melwatch_service` is `melwatch`."""

from melwatch_service.cli import main

if __name__ == "__main__":
    main()
