"""`python -m segkit`, where the script `segkit` is not on the path."""

from segkit.cli import main

if __name__ == "__main__":
    main()
