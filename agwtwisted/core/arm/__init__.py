"""The product's own language: from JSON documents and templates to gateway resources, every value with its place."""
