"""What people put in to be searched: reading, cutting, embedding and finding it again."""
