"""What a certificate says, read from its DER without a judgement about it."""
