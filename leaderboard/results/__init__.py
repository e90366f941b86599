"""The results page: what the committed records say to the thesis's table and to the questions it leaves."""
