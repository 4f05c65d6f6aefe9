"""How exactly a gateway keeps a budget: money billed above the cap, and requests refused although there was room."""
