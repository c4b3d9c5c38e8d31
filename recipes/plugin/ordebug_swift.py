"""Makes ms-swift know our rewards: ``external_plugins: recipes/plugin/ordebug_swift.py``.

In a folder of its own, because ms-swift puts the folder of such a file first on the module path.
"""

from ordebug_plugin.frameworks.swift import register

register()
