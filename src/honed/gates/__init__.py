"""What a change of code has to show before it may go on: plug-ins, one file each."""
