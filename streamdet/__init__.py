"""streamdet finds objects in video streams with a memory."""
