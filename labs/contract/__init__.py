"""What a lab is made of: experiments, their fields, where they are found, and how results travel."""
