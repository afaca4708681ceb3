"""What the functions of the package return: results that can be asked, shown and handed on."""
