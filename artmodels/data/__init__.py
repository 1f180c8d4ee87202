"""From a folder, a zip or a Hub data set to arrays of pictures."""
