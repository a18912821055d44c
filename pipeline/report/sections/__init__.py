"""The page's sections; each turns the collected data into blocks."""
