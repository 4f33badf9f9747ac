"""Can a judge that learns tell generated regions from real ones, and how much of an image is new?"""
