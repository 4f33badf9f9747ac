"""Processes and threads: children with limits, the decoder, and the threads of a solve."""
