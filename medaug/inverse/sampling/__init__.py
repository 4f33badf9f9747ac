"""What solvers share: schedules, noise, DDIM steps, and the numerical methods of a guided step."""
