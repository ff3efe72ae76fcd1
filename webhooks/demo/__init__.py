"""What `manage.py demo` shows: a small company, its workflows, a receiver for their calls, and some events.

sample.py     people, connections, endpoints, and the workflows of *.yaml, released through the gate
receiver.py   chat, pager and warehouses on loopback; one warehouse is down until somebody heals it
events.py     what arrives: signed deliveries and events of the API
processes.py  web and workers as child processes
"""
