"""What a CI run is given: texts into images, each with the place it stands at."""
