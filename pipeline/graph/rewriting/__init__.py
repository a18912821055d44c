"""Rewriting: new nodes beside a graph, regions cut out of it, replacements committed to it."""
