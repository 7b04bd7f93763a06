"""`python -m triton_rag_client` is `triton-rag`."""

from triton_rag_client.main import main

if __name__ == "__main__":
    main()
