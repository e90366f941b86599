"""A record made again from its configuration: is the new error within the old one's interval, do clips agree?"""
