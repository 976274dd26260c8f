"""What the service control manager starts: `python -m melwatch_winservice NAME`."""

import sys

from melwatch_winservice.host import main

if __name__ == "__main__":
    main(sys.argv[1])
