"""melwatch under the Windows service control manager."""
