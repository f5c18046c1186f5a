from hypothesis import settings

# A loaded machine is slow, which no test is about.
settings.register_profile("headwater", deadline=None)
settings.load_profile("headwater")
