"""Statistics of secret arrays under SciPy's and statsmodels' names: computed under sharing, ended in plain by SciPy."""
