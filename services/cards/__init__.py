"""Flashcards and quizzes from an answer, spaced review, and what leaves the site as a file."""

from services.cards.making import Cards, Offered

__all__ = ["Cards", "Offered"]
