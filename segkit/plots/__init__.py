"""Pictures of what the models do: style codes in a plane, masks over time, the flow of data.

Numbers are worked out apart from the drawing. Drawing needs matplotlib, the plane of style codes
scikit-learn: extra ``plot``.
"""
