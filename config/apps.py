"""The admin as an app; its site is imported only once models are there."""

from django.contrib.admin.apps import AdminConfig


class ProductAdminConfig(AdminConfig):
    default_site = "config.admin_site.ProductAdminSite"
