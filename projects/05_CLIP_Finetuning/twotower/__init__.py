"""A two-tower image-text model on handwritten digits and captions about them."""
