"""New projects, services, contracts, consumers and producers, as they would be written by hand.

`project`, `service`, `event`, `consumer` and `producer` are what can be made, one each. They hand
what they would write to `changes`, which shows it or does it.

`name`     what something new may be called
`field`    `total:decimal?` as a field of a contract
`style`    how the project formats its code
`python`   what is put into a module that exists, without touching the rest of it
`template` the files of `templates/`, filled in
`shape`    the files of a service, as they are on the disk
`contract` the events that a project has, and a copy of one for another service
`sample`   a message that a contract takes
`compose`  one more service in docker-compose.yml
`vendor`   the installed toolkit as a wheel
`errors`   what can't be made, and why
"""
