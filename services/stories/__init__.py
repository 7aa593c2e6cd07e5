"""Stories for children: who they are for, how they are told, and what is kept of them."""
