"""Blob stores: `FolderBlobs` on this machine's disk, `BucketBlobs` on anything that obstore can reach."""
