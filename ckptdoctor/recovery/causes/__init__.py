"""Why a run went wrong, as far as its rates, losses, files and settings tell."""
