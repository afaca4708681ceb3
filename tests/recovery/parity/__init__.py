"""What gives lost bytes back."""
