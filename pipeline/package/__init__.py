"""`pipeline package`: the artifact as the folder that another runtime loads, tried in it."""
