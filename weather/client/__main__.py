import sys

from weather.client import main

sys.exit(main())
