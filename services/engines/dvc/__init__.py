"""DVC: what hashes, keeps, sends and fetches the files of data and models."""
