"""`python -m fleet` is `fleet`."""

from fleet.main import run

if __name__ == "__main__":
    run()
