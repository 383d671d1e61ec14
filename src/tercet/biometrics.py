"""Is this person enrolled? Iris codes and face embeddings against templates that nobody holds."""

from tercet.learn.biometrics import FaceGallery, IrisGallery, iris_code, rotations, unit_vectors

__all__ = ["FaceGallery", "IrisGallery", "iris_code", "rotations", "unit_vectors"]
